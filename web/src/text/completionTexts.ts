/** The texts of the list that completes mentions and hashtags. */

import { preferences } from "../state/preferences.svelte";
import { plurals } from "./plurals";

const pluralEn = plurals("en");
const pluralRu = plurals("ru");

const en = {
  list: "Suggestions",
  count: (n: number) =>
    pluralEn(n, {
      one: "# suggestion. Use the arrow keys.",
      other: "# suggestions. Use the arrow keys.",
    }),
};

const ru: typeof en = {
  list: "Подсказки",
  count: (n: number) =>
    pluralRu(n, {
      one: "# подсказка. Выбирайте стрелками.",
      few: "# подсказки. Выбирайте стрелками.",
      other: "# подсказок. Выбирайте стрелками.",
    }),
};

const texts = { en, ru };

export const completionTexts = () => texts[preferences.language];
