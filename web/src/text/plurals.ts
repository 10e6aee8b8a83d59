/** A number and its noun: each language has its own forms (CLDR's plural categories). */

/** A number that has little room: 1200 is "1.2K". */
export function compact(language: string): (n: number) => string {
  const digits = new Intl.NumberFormat(language, { notation: "compact" });
  return (n) => digits.format(n);
}

type Forms = { other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;

/** `#` in a form stands for the number. */
export function plurals(language: string): (n: number, forms: Forms) => string {
  const rules = new Intl.PluralRules(language);
  const digits = new Intl.NumberFormat(language);
  return (n, forms) => (forms[rules.select(n)] ?? forms.other).replace("#", digits.format(n));
}
