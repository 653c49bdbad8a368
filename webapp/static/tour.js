// Tour: the arrow keys go from step to step, and a step is read from its beginning.
(() => {
  const KEYS = { ArrowRight: ".dr-next", ArrowLeft: ".dr-back" };
  const head = () => document.getElementById("tour-head");
  const busy = (element) => element instanceof Element && element.closest("input, textarea, select, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (!head() || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || busy(event.target)) return;
    const button = event.key in KEYS && document.querySelector(`#tour-walk ${KEYS[event.key]}`);
    if (!button) return;
    event.preventDefault();
    button.click();
  });
  // What was pressed is drawn anew with the next step: the reader, and the keyboard, go on at the step's name.
  let going = null;
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("#tour-walk [data-ask], #tour-head [data-ask]");
    if (button) going = JSON.parse(button.dataset.ask).step;
  });
  new MutationObserver(() => {
    const here = going !== null && document.querySelector("#tour-head [aria-current]");
    if (!here || JSON.parse(here.dataset.ask).step !== going) return;
    going = null;
    here.focus({ preventScroll: true });
    head().scrollIntoView({ block: "start" });
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
