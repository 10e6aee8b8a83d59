/** The texts of the views that are fetched after the first script. */

import { preferences } from "../state/preferences.svelte";
import { plurals } from "./plurals";

const pluralEn = plurals("en");
const pluralRu = plurals("ru");

const en = {
  emptyTab: {
    tweets: (name: string) => `${name} hasn't posted yet`,
    replies: (name: string) => `${name} hasn't replied yet`,
    media: (name: string) => `${name} hasn't posted pictures yet`,
    likes: (name: string) => `${name} hasn't liked anything yet`,
    followers: (name: string) => `No one follows ${name} yet`,
    following: (name: string) => `${name} isn't following anyone yet`,
  },
  emptyOwnTab: {
    tweets: "You haven't posted yet",
    replies: "You haven't replied yet",
    media: "You haven't posted pictures yet",
    likes: "You haven't liked anything yet",
    followers: "No one follows you yet",
    following: "You aren't following anyone yet",
  },
  likesTab: "Likes",
  followersTab: "Followers",
  followingTab: "Following",
  noPerson: "Profile not found",
  noPersonHint: "Check the address, or this person has left.",
  writeTweet: "Write a tweet",
  thread: "Thread",
  tweetsWith: (tag: string) => `Tweets with #${tag}`,
  findPeople: "Find people by name",
  peopleFound: (n: number) => pluralEn(n, { one: "# person found", other: "# people found" }),
  noTweetsWith: (tag: string) => `No tweets with #${tag} yet`,
  followTag: "Follow",
  followTagHint: "Show tweets with it in Home",
  clearSearch: "Clear search",
  noneFoundHint: "Part of a name is enough; small typos are fine.",
  earlierReplies: (n: number) =>
    pluralEn(n, { one: "# earlier reply", other: "# earlier replies" }),
  previousReplies: "Show earlier replies",
  moreReplies: "Show more replies",
  noReplies: "No replies yet",
  tombstones: {
    deleted: "This tweet was deleted.",
    hidden: "This tweet isn't available, because its author has left.",
    moderated: "A moderator has hidden this tweet.",
  },
  missingTweet: {
    TweetWasDeleted: { title: "This tweet was deleted", text: "" },
    TweetHidden: { title: "This tweet is hidden", text: "A moderator has hidden it." },
    AuthorLeft: { title: "This tweet isn't available", text: "Its author has left." },
    TweetNotFound: { title: "Tweet not found", text: "Check the address." },
  } as Record<string, { title: string; text: string }>,
};

const ru: typeof en = {
  emptyTab: {
    tweets: () => "Пока нет твитов",
    replies: () => "Пока нет ответов",
    media: () => "Пока нет картинок",
    likes: () => "Пока ничего не понравилось",
    followers: () => "Пока нет подписчиков",
    following: () => "Пока нет подписок",
  },
  emptyOwnTab: {
    tweets: "Вы ещё ничего не написали",
    replies: "Вы ещё никому не ответили",
    media: "Вы ещё не публиковали картинок",
    likes: "Вам пока ничего не понравилось",
    followers: "На вас пока никто не подписан",
    following: "Вы пока ни на кого не подписаны",
  },
  likesTab: "Нравится",
  followersTab: "Подписчики",
  followingTab: "Подписки",
  noPerson: "Профиль не найден",
  noPersonHint: "Проверьте адрес: возможно, профиль удалён.",
  writeTweet: "Написать твит",
  thread: "Обсуждение",
  tweetsWith: (tag: string) => `Твиты с #${tag}`,
  findPeople: "Найти людей по имени",
  peopleFound: (n: number) =>
    pluralRu(n, {
      one: "Найден # человек",
      few: "Найдено # человека",
      other: "Найдено # человек",
    }),
  noTweetsWith: (tag: string) => `Твитов с #${tag} пока нет`,
  followTag: "Читать",
  followTagHint: "Показывать твиты с ним в ленте",
  clearSearch: "Очистить поиск",
  noneFoundHint: "Достаточно части имени, мелкие опечатки не страшны.",
  earlierReplies: (n: number) =>
    pluralRu(n, { one: "Ещё # ответ", few: "Ещё # ответа", other: "Ещё # ответов" }),
  previousReplies: "Показать предыдущие ответы",
  moreReplies: "Показать ещё ответы",
  noReplies: "Ответов пока нет",
  tombstones: {
    deleted: "Этот твит удалён.",
    hidden: "Этот твит недоступен: автор покинул Warble.",
    moderated: "Этот твит скрыл модератор.",
  },
  missingTweet: {
    TweetWasDeleted: { title: "Этот твит удалён", text: "" },
    TweetHidden: { title: "Этот твит скрыт", text: "Его скрыл модератор." },
    AuthorLeft: { title: "Этот твит недоступен", text: "Его автор покинул Warble." },
    TweetNotFound: { title: "Твит не найден", text: "Проверьте адрес." },
  } as Record<string, { title: string; text: string }>,
};

const texts = { en, ru };

export const lazyViewTexts = () => texts[preferences.language];
