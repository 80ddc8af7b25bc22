// Solves the challenge of a signup page unseen. It presses no button: who presses before it is done is kept waiting.
(async () => {
  const form = document.querySelector("form[data-challenge]");
  const solver = document.getElementById("captcha-solver");
  const status = form.querySelector("[role=status]");
  const button = form.querySelector("button");
  const pending = form.querySelector("[hidden]");

  // Where the form cannot be sent yet, people see why; else only those who press early do.
  if (pending) {
    pending.hidden = false;
    status.textContent = status.dataset.working;
  }
  let isSolved = false;
  let isSent = false;
  let isWaiting = false;
  form.addEventListener("submit", (event) => {
    if (!isSolved) {
      event.preventDefault();
      isWaiting = true;
      status.textContent = status.dataset.working;
    } else if (isSent) {
      // Pressed twice: a solution is good for one signup, and the second would be asked for another.
      event.preventDefault();
    } else {
      isSent = true;
      setTimeout(() => (isSent = false), 5_000);
    }
  });

  try {
    form.elements.captcha.value = await solver.solve(JSON.parse(form.dataset.challenge));
    status.textContent = status.dataset.ready ?? "";
  } catch {
    // The service then answers with a page that says what to do.
    status.textContent = status.dataset.failed ?? "";
    if (pending) return;
  }
  isSolved = true;
  button.disabled = false;
  if (isWaiting) form.requestSubmit();
})();
