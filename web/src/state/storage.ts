/** Strings in the browser's local storage. Where a browser forbids that, nothing is stored. */

export function getStored(name: string): string | null {
  try {
    return localStorage.getItem(`warble.${name}`);
  } catch {
    return null;
  }
}

/** Removes the string with this name, and those whose names continue it after a dot. */
export function removeStored(name: string) {
  try {
    for (const key of Object.keys(localStorage)) {
      if (`${key}.`.startsWith(`warble.${name}.`)) localStorage.removeItem(key);
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
