// Finds the number of a challenge: a proof of work in the way of ALTCHA. Of the page it knows nothing but the challenge.
// The same file is the script that is asked and the worker that works, where there can be one.
(() => {
  // SHA-256 (FIPS 180-4) of a text that fits into one block: 55 characters of ASCII. `crypto.subtle` takes longer for
  // texts as short as these, and is missing where a page comes over plain http.
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
  // The first 32 bits behind the point.
  const fraction = (x) => ((x % 1) * 2 ** 32) | 0;
  const K = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
  const H = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

  // The block stands in the first sixteen words; the hash comes back in eight.
  const W = new Int32Array(64);
  const sha256 = () => {
    for (let i = 16; i < 64; i++) {
      const x = W[i - 15], y = W[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      W[i] = (W[i - 16] + s0 + W[i - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = H;
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + t1) | 0;
      d = c; c = b; b = a; a = (t1 + t2) | 0;
    }
    return [a + H[0], b + H[1], c + H[2], d + H[3], e + H[4], f + H[5], g + H[6], h + H[7]];
  };

  // Writes a character of the block.
  const write = (at, code) => (W[at >> 2] |= code << (24 - (at % 4) * 8));

  const hex = (words) => words.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");

  // Tries the numbers one after the other; now and then it says how far it is, so that others get their turn.
  function* tries({ challenge, salt, maxnumber }) {
    if (salt.length + String(maxnumber).length > 55) throw new Error("this salt is too long");
    W.fill(0);
    for (let i = 0; i < salt.length; i++) write(i, salt.charCodeAt(i));
    const start = W.slice(0, 16);
    const first = parseInt(challenge.slice(0, 8), 16) | 0;
    for (let number = 0; number <= maxnumber; number++) {
      W.set(start);
      // Behind the salt: the digits, a bit, zeros, and how many bits the text has.
      const digits = String(number);
      const length = salt.length + digits.length;
      for (let i = 0; i < digits.length; i++) write(salt.length + i, digits.charCodeAt(i));
      write(length, 128);
      W[15] = length * 8;
      const hash = sha256();
      if ((hash[0] | 0) === first && hex(hash) === challenge) return number;
      if (number % 512 === 511) yield;
    }
    throw new Error("there is no such number");
  }

  // What the form sends.
  const written = ({ algorithm, challenge, salt, signature }, number) =>
    btoa(JSON.stringify({ algorithm, challenge, number, salt, signature }));

  const atOnce = (challenge) => {
    for (const trying = tries(challenge); ; ) {
      const { done, value } = trying.next();
      if (done) return written(challenge, value);
    }
  };

  // Where no worker can be: a few milliseconds at a time, so that the page stays quick.
  const bitByBit = async (challenge) => {
    for (const trying = tries(challenge); ; ) {
      for (const until = performance.now() + 12; performance.now() < until; ) {
        const { done, value } = trying.next();
        if (done) return written(challenge, value);
      }
      await new Promise((resume) => setTimeout(resume));
    }
  };

  if (!self.document) {
    self.onmessage = ({ data }) => self.postMessage(atOnce(data));
    return;
  }

  const script = document.currentScript;

  const inWorker = (challenge) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(script.src);
      worker.onmessage = ({ data }) => {
        worker.terminate();
        resolve(data);
      };
      worker.onerror = reject;
      worker.postMessage(challenge);
    });

  // Browsers give no worker to a script of another site.
  const isOwn = new URL(script.src).origin === location.origin;
  script.solve = (challenge) =>
    isOwn ? inWorker(challenge).catch(() => bitByBit(challenge)) : bitByBit(challenge);
})();
