/** What stands for a person without a picture: letters and a tone, from the name alone. */

export const TONES = 10;

const characters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

function first(word: string): string {
  const { value } = characters.segment(word)[Symbol.iterator]().next();
  return value?.segment ?? "";
}

/** The first letters of the first and the last word: of one word, its first alone. */
export function initials(name: string): string {
  const words = name
    .split(/\s+/u)
    .filter((word) => /[\p{L}\p{N}\p{Extended_Pictographic}]/u.test(word));
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words.slice(0, 1);
  return (
    ends
      .map((word) => first(word ?? ""))
      .join("")
      .toLocaleUpperCase() || "·"
  );
}

/** From 0 to TONES - 1, evenly spread over people (Knuth's multiplicative hash). */
export const tone = (id: number) => Math.floor((((id * 2654435761) >>> 0) / 2 ** 32) * TONES);
