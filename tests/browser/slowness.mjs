// How slow this machine is now. Time limits are for what hangs; what is slow because others work here is no failure.

/** Milliseconds that the work below takes on a machine of 2024 with nothing else to do. */
const USUAL = 60;

/** How many times longer than there and then it takes here and now: at least 1, at most 8. */
const slowness = Math.min(8, Math.max(1, measured() / USUAL));

/** The longest of five runs: others may come and go. */
function measured() {
  const runs = Array.from({ length: 5 }, () => {
    const begun = performance.now();
    let sum = 0;
    for (let number = 0; number < 40_000_000; number++) sum = (sum + Math.imul(number, 7)) | 0;
    return performance.now() - begun + (sum & 0);
  });
  return Math.max(...runs);
}

/** A time limit in milliseconds, for this machine. Twice over, because a browser is several programs. */
export const limit = (milliseconds) => milliseconds * slowness * 2;
