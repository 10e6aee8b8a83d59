/**
 * The texts for new people and for those who invite them. Fetched after the first script, because few
 * readers need them.
 */

import { preferences } from "../state/preferences.svelte";

const en = {
  // The page that an invitation link opens.
  welcome: "Welcome to Warble",
  welcomeHint: "You've been invited to your company's micro-blog. The invitation works once.",
  join: "Join",
  joining: "Joining…",
  signedInAs: (name: string) =>
    `You're signed in as ${name}. To use this invitation, sign out first.`,
  joined: "You're in. This is your key",
  joinedHint:
    "Keep it, for example in a password manager. With it you sign in on another device. You won't see it again.",
  yourKey: "Your access key",
  continue: "I've kept it: continue",
  signInWithKey: "Sign in with a key",
  incompleteLink: "This link is incomplete. Open the whole link from the message you got.",
  errors: {
    InvitationNotFound: "This invitation doesn't exist. Open the whole link, or ask for a new one.",
    InvitationUsed: "This invitation was already used. If that wasn't you, tell an administrator.",
    InvitationExpired: "This invitation has expired. Ask an administrator for a new one.",
    InvitationRevoked: "This invitation is no longer valid. Ask an administrator for a new one.",
  } as Record<string, string>,

  // The dialog in which administrators invite.
  newPersonName: "Name of the new person",
  inviteAgainHint: (name: string) =>
    `For ${name}, who has lost every key. Earlier invitations stop working, keys don't.`,
  createLink: "Create link",
  link: "Invitation link",
  linkFor: (name: string) => `Send this link to ${name}. You won't see it again.`,
  linkExpires: (date: string) => `It works once, until ${date}.`,

  // The first steps of a person who is new.
  greeting: (name: string) => `Welcome, ${name}`,
  step: (n: number, of: number) => `Step ${n} of ${of}`,
  steps: ["Follow colleagues", "Write your first tweet", "Where to find help"],
  followHint: "Home shows the tweets of the people you follow. Many colleagues follow:",
  tweetHint: "Say hello, or tell what you're working on. Everyone in the company can read it.",
  help: [
    "Press ? to see all keyboard shortcuts.",
    "In Settings you change the language and the appearance, and manage your keys.",
    "If you lose your key or need another name, ask an administrator.",
  ],
  skip: "Skip",
  next: "Next",
  startReading: "Start reading",
};

const ru: typeof en = {
  welcome: "Добро пожаловать в Warble",
  welcomeHint: "Вас пригласили в микроблог вашей компании. Приглашение сработает один раз.",
  join: "Присоединиться",
  joining: "Минутку…",
  signedInAs: (name: string) =>
    `Вы вошли как ${name}. Чтобы воспользоваться приглашением, сначала выйдите.`,
  joined: "Готово. Это ваш ключ",
  joinedHint:
    "Сохраните его, например, в менеджере паролей: с ним вы войдёте на другом устройстве. Больше он показан не будет.",
  yourKey: "Ваш ключ доступа",
  continue: "Ключ сохранён, продолжить",
  signInWithKey: "Войти с ключом",
  incompleteLink: "Ссылка неполная. Откройте её целиком из сообщения, которое вы получили.",
  errors: {
    InvitationNotFound:
      "Такого приглашения нет. Откройте ссылку целиком или попросите у администратора новую.",
    InvitationUsed:
      "Этим приглашением уже воспользовались. Если это были не вы, сообщите администратору.",
    InvitationExpired: "Срок приглашения истёк. Попросите у администратора новое.",
    InvitationRevoked: "Приглашение больше не действует. Попросите у администратора новое.",
  },

  newPersonName: "Имя нового коллеги",
  inviteAgainHint: (name: string) =>
    `Если все ключи потеряны. Новую ссылку получит ${name}. Прежние приглашения перестанут действовать, ключи останутся.`,
  createLink: "Создать ссылку",
  link: "Ссылка-приглашение",
  linkFor: (name: string) =>
    `Отправьте эту ссылку. Её получатель: ${name}. Больше она не появится.`,
  linkExpires: (date: string) => `Она сработает один раз, до ${date}.`,

  greeting: (name: string) => `Добро пожаловать, ${name}`,
  step: (n: number, of: number) => `Шаг ${n} из ${of}`,
  steps: ["Подпишитесь на коллег", "Напишите первый твит", "Где найти помощь"],
  followHint: "В ленте появляются твиты тех, на кого вы подписаны. Многие читают:",
  tweetHint: "Поздоровайтесь или расскажите, чем заняты. Прочесть это сможет вся компания.",
  help: [
    "Нажмите ?, чтобы увидеть все сочетания клавиш.",
    "В настройках можно выбрать язык и оформление и управлять ключами.",
    "Если потеряли ключ или сменили имя, обратитесь к администратору.",
  ],
  skip: "Пропустить",
  next: "Далее",
  startReading: "Читать ленту",
};

const texts = { en, ru };

export const newcomerTexts = () => texts[preferences.language];
