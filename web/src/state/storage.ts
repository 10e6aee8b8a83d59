/** Strings in the browser's local storage. Where a browser forbids that, nothing is stored. */

export function getStored(name: string): string | null {
  try {
    return localStorage.getItem(`warble.${name}`);
  } catch {
    return null;
  }
}

/** Removes every string whose name begins with `prefix`. */
export function removeStored(prefix: string) {
  try {
    for (const name of Object.keys(localStorage)) {
      if (name.startsWith(`warble.${prefix}`)) localStorage.removeItem(name);
    }
  } catch {
    return;
  }
}

export function setStored(name: string, value: string) {
  try {
    localStorage.setItem(`warble.${name}`, value);
  } catch {
    return;
  }
}
