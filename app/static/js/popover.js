// A popover menu that opens beside its button: above it, or below it if there is more room.

const GAP_PX = 6;

/**
 * @param {HTMLButtonElement} button  its `popovertarget` is the menu
 * @param {HTMLElement} menu  a `popover` of buttons; it closes when one is clicked, unless that has `data-stays`
 * @param {"left" | "right"} side  at which button and menu are aligned
 */
export function openBeside(button, menu, side) {
  menu.addEventListener("beforetoggle", () => {
    const { top, bottom, left, right } = button.getBoundingClientRect();
    const [above, below] = [top, innerHeight - bottom];
    menu.style.bottom = above > below ? `${innerHeight - top + GAP_PX}px` : "auto";
    menu.style.top = above > below ? "auto" : `${bottom + GAP_PX}px`;
    menu.style.maxHeight = `${Math.max(above, below) - 2 * GAP_PX}px`;
    menu.style[side] = `${side === "left" ? left : document.documentElement.clientWidth - right}px`;
  });
  menu.addEventListener("click", ({ target }) => {
    if (target.closest("button:not([data-stays])")) menu.hidePopover();
  });
}
