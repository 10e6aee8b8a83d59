/** What this browser keeps for the page. One may forbid it: then it lasts as long as the page. */

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(`warble.${name}`);
  } catch {
    return null;
  }
}

/** Takes away everything whose name begins so. */
export function forget(prefix: string) {
  try {
    for (const name of Object.keys(localStorage)) {
      if (name.startsWith(`warble.${prefix}`)) localStorage.removeItem(name);
    }
  } catch {
    return;
  }
}

export function keep(name: string, value: string) {
  try {
    localStorage.setItem(`warble.${name}`, value);
  } catch {
    return;
  }
}
