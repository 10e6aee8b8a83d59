/** Puts a text on the clipboard. In a modal dialog, `parent` must be an element of the dialog. */
export async function copyText(text: string, parent: Element = document.body) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Browsers offer the clipboard to secure pages only. Elsewhere, `execCommand` copies the selected text. While a
  // modal dialog is open, nothing outside of it can be selected.
  const focused = document.activeElement as HTMLElement | null;
  const field = document.createElement("textarea");
  field.value = text;
  parent.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  focused?.focus({ preventScroll: true });
}
