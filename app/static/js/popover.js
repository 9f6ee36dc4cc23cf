// A popover menu that opens above its button.

const GAP_PX = 6;

/**
 * @param {HTMLButtonElement} button  its `popovertarget` is the menu
 * @param {HTMLElement} menu  a `popover` of buttons; it closes when one is clicked, unless that has `data-stays`
 * @param {"left" | "right"} side  that both share
 */
export function openAbove(button, menu, side) {
  menu.addEventListener("beforetoggle", () => {
    const { top, left, right } = button.getBoundingClientRect();
    menu.style.bottom = `${innerHeight - top + GAP_PX}px`;
    menu.style[side] = `${side === "left" ? left : document.documentElement.clientWidth - right}px`;
  });
  menu.addEventListener("click", ({ target }) => {
    if (target.closest("button:not([data-stays])")) menu.hidePopover();
  });
}
