/** What an avatar without a picture shows: the initials on a coloured background. */

export const AVATAR_COLOURS = 10;

const characters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

function first(word: string): string {
  const { value } = characters.segment(word)[Symbol.iterator]().next();
  return value?.segment ?? "";
}

/** The first letters of the first and the last word. A single word gives one letter. */
export function initials(name: string): string {
  const nameParts = name
    .split(/\s+/u)
    .filter((word) => /[\p{L}\p{N}\p{Extended_Pictographic}]/u.test(word));
  const ends = nameParts.length > 1 ? [nameParts[0], nameParts.at(-1)] : nameParts.slice(0, 1);
  return (
    ends
      .map((word) => first(word ?? ""))
      .join("")
      .toLocaleUpperCase() || "·"
  );
}

/** The number of the background colour, evenly spread over people (Knuth's multiplicative hash). */
export const avatarColour = (id: number) =>
  Math.floor((((id * 2654435761) >>> 0) / 2 ** 32) * AVATAR_COLOURS);
