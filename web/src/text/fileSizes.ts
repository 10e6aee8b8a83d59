/** File sizes in the reader's language. A size above a limit is rounded up, so that it differs from the limit. */

export function fileSizes(language: string, names: { kB: string; MB: string }) {
  const digits = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const tenths = (n: number, up: boolean) =>
    digits.format((up ? Math.ceil(10 * n) : Math.floor(10 * n)) / 10);
  return {
    bytes: (n: number, up = false) =>
      n < 1e6 ? `${tenths(n / 1e3, up)} ${names.kB}` : `${tenths(n / 1e6, up)} ${names.MB}`,
    millions: (n: number, up = false) => tenths(n / 1e6, up),
  };
}
