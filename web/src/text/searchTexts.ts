/** The texts of the search view, and the filters that it adds to a query. */

import { preferences } from "../state/preferences.svelte";

export type Filter = "own" | "toMe" | "image" | "link" | "reply" | "week";

const en = {
  title: "Search",
  placeholder: "Search tweets, people and hashtags",
  tabs: { recent: "Latest", popular: "Popular", people: "People", tags: "Hashtags" },
  tabsLabel: "What to search",
  clear: "Clear",
  filtersLabel: "Filters",
  filterNames: {
    own: "By me",
    toMe: "Mentions of me",
    image: "With pictures",
    link: "With links",
    reply: "Replies",
    week: "This week",
  } satisfies Record<Filter, string> as Record<Filter, string>,
  operators: {
    own: "from:me",
    toMe: "to:me",
    image: "has:image",
    link: "has:link",
    reply: "is:reply",
    week: "during:week",
  } satisfies Record<Filter, string> as Record<Filter, string>,
  recent: "Recent searches",
  clearRecent: "Clear recent searches",
  results: (query: string) => `Tweets found for “${query}”`,
  none: (query: string) => `Nothing found for “${query}”`,
  noneHint: "Check the spelling, or use fewer words and filters.",
  noTags: (query: string) => `No hashtag begins with “${query}”`,
  onlyCommonWords: "These words are in nearly every text. Add another word to narrow the search.",
  whichPerson: (name: string) => `Several people are called “${name}”. Whom do you mean?`,
  help: "What you can type",
  examples: [
    ["release notes", "tweets with both words, in any form"],
    ['"release notes"', "exactly this phrase"],
    ["release -draft", "without a word"],
    ["tea or coffee", "either word"],
    ["#release", "a hashtag"],
    ["from:@Ann_Kim", "written by a person; from:me for yourself"],
    ["to:me", "that mention you"],
    ["has:image, has:link", "with pictures, with links"],
    ["is:reply", "only replies"],
    ["during:2026-11", "in a year, a month or on a day; also today, yesterday, week"],
    ["before:2026-11-29, after:2026-11-29", "before or after a day"],
  ],
};

const ru: typeof en = {
  title: "Поиск",
  placeholder: "Поиск твитов, людей и хештегов",
  tabs: { recent: "Новые", popular: "Популярные", people: "Люди", tags: "Хештеги" },
  tabsLabel: "Что искать",
  clear: "Очистить",
  filtersLabel: "Фильтры",
  filterNames: {
    own: "Мои",
    toMe: "Упоминания",
    image: "С картинками",
    link: "Со ссылками",
    reply: "Ответы",
    week: "За неделю",
  },
  operators: {
    own: "от:меня",
    toMe: "кому:мне",
    image: "есть:фото",
    link: "есть:ссылка",
    reply: "это:ответ",
    week: "за:неделю",
  },
  recent: "Недавние запросы",
  clearRecent: "Очистить недавние запросы",
  results: (query: string) => `Твиты по запросу «${query}»`,
  none: (query: string) => `По запросу «${query}» ничего не нашлось`,
  noneHint: "Проверьте, нет ли опечатки, или уберите лишние слова и фильтры.",
  noTags: (query: string) => `Нет хештегов, которые начинаются на «${query}»`,
  onlyCommonWords: "Эти слова есть почти в каждом тексте. Добавьте ещё слово, чтобы сузить поиск.",
  whichPerson: (name: string) => `Имя «${name}» у нескольких человек. Кто вам нужен?`,
  help: "Что можно ввести",
  examples: [
    ["план релиза", "твиты с обоими словами в любой форме"],
    ["«план релиза»", "в точности эта фраза"],
    ["релиз -черновик", "без слова"],
    ["чай или кофе", "любое из слов"],
    ["#релиз", "хештег"],
    ["от:@Анна_Ким", "написал этот человек; от:меня — ваши"],
    ["кому:мне", "где упомянули вас"],
    ["есть:фото, есть:ссылка", "с картинками, со ссылками"],
    ["это:ответ", "только ответы"],
    ["за:2026-11", "за год, месяц или день; также сегодня, вчера, неделю"],
    ["до:29.11.2026, после:29.11.2026", "до или после дня"],
  ],
};

export const searchTexts = () => (preferences.language === "ru" ? ru : en);

/** Whether the query has this operator, in either language. */
export function hasFilter(query: string, filter: Filter): boolean {
  const typed = query.toLowerCase().split(/\s+/);
  return [en, ru].some(({ operators }) => typed.includes(operators[filter]));
}

/** The query with this operator, or without it if it has it. */
export function toggledFilter(query: string, filter: Filter): string {
  if (!hasFilter(query, filter)) return `${query.trim()} ${searchTexts().operators[filter]}`.trim();
  const operators = [en.operators[filter], ru.operators[filter]];
  return query
    .split(/\s+/)
    .filter((it) => !operators.includes(it.toLowerCase()))
    .join(" ");
}
