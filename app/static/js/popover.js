// A popover menu that opens above its button.

const GAP_PX = 6;

/**
 * @param {HTMLButtonElement} button  its `popovertarget` is the menu
 * @param {HTMLElement} menu  a `popover` of buttons; it closes when one is clicked
 */
export function openAbove(button, menu) {
  menu.addEventListener("beforetoggle", () => {
    const { top, right } = button.getBoundingClientRect();
    menu.style.bottom = `${innerHeight - top + GAP_PX}px`;
    menu.style.right = `${document.documentElement.clientWidth - right}px`;
  });
  menu.addEventListener("click", ({ target }) => {
    if (target.closest("button")) menu.hidePopover();
  });
}
