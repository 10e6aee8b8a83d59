/** The texts of the sign-in form and of the single sign-on. Fetched with the form. */

import { preferences } from "../state/preferences.svelte";

const en = {
  signIn: "Sign in",
  signingIn: "Signing in…",
  key: "Your access key",
  keyHint: "You got it with your account. Lost it? Ask an administrator for a new one.",
  invalidKey: "That key isn't valid. Make sure you copied all of it.",
  signedOut: "You've been signed out.",
  signedOutDraft: "Your draft is safe.",
  showKey: "Show",
  hideKey: "Hide",
  signInWith: (title: string) => `Sign in with ${title}`,
  signInWithKey: "Sign in with a key",
  failed: "Signing in didn't work. Try again.",
  errors: {
    ProviderNotFound: "This way to sign in isn't offered any more.",
    SignOnUnavailable: "The company's sign-in service doesn't respond. Try again in a moment.",
    SignOnExpired: "That took too long, or began in another browser. Try again.",
    SignOnCancelled: "The company's sign-in service didn't sign you in.",
    SignOnNotTrusted:
      "The answer of the company's sign-in service failed a check. Tell an administrator if this happens again.",
    NotAdmitted: "Your account is in no group that may use Warble. Ask an administrator.",
    TooManyGroups:
      "Your account is in too many groups to tell whether you may use Warble. Ask an administrator.",
    NameNotSent: "The company's sign-in service sent no name for you. Ask an administrator.",
    PersonDeactivated: "Your account was deactivated. Ask an administrator.",
    IdentityTaken: "This company account belongs to someone else here.",
    AnotherIdentityLinked: "Another account of the same service is linked to you.",
    TooManyRequests: "Too many attempts. Wait a moment and try again.",
  } as Record<string, string>,

  accounts: "Company accounts",
  accountsHint: "With these accounts you sign in without a key.",
  link: (title: string) => `Link ${title}`,
  linked: (when: string) => `Last signed in ${when}`,
  unused: "Not used yet",
};

const ru: typeof en = {
  signIn: "Войти",
  signingIn: "Входим…",
  key: "Ваш ключ доступа",
  keyHint: "Вы получили его вместе с учётной записью. Потеряли? Попросите у администратора новый.",
  invalidKey: "Ключ не подошёл. Проверьте, что скопировали его целиком.",
  signedOut: "Сеанс завершён.",
  signedOutDraft: "Черновик сохранён.",
  showKey: "Показать",
  hideKey: "Скрыть",
  signInWith: (title: string) => `Войти: ${title}`,
  signInWithKey: "Войти с ключом",
  failed: "Войти не удалось. Попробуйте ещё раз.",
  errors: {
    ProviderNotFound: "Так войти больше нельзя.",
    SignOnUnavailable: "Служба входа компании не отвечает. Попробуйте через минуту.",
    SignOnExpired:
      "Вход занял слишком много времени или начат в другом браузере. Попробуйте ещё раз.",
    SignOnCancelled: "Служба входа компании не подтвердила вход.",
    SignOnNotTrusted:
      "Ответ службы входа не прошёл проверку. Если это повторится, сообщите администратору.",
    NotAdmitted: "Ни одна из ваших групп не даёт доступа к Warble. Обратитесь к администратору.",
    TooManyGroups:
      "У вас слишком много групп, и доступ проверить не удалось. Обратитесь к администратору.",
    NameNotSent: "Служба входа не сообщила ваше имя. Обратитесь к администратору.",
    PersonDeactivated: "Ваша учётная запись отключена. Обратитесь к администратору.",
    IdentityTaken: "Эта корпоративная учётная запись уже принадлежит здесь другому человеку.",
    AnotherIdentityLinked: "К вам уже привязана другая учётная запись этой службы.",
    TooManyRequests: "Слишком много попыток. Подождите минуту и попробуйте снова.",
  },

  accounts: "Корпоративные учётные записи",
  accountsHint: "С ними вы входите без ключа.",
  link: (title: string) => `Привязать: ${title}`,
  linked: (when: string) => `Последний вход: ${when}`,
  unused: "Ещё не использовалась",
};

const texts = { en, ru };

export const signInTexts = () => texts[preferences.language];

/** The type of the error after a failed sign-on, which the gateway puts into the address. */
export const failedSignOnType = () => new URLSearchParams(location.search).get("sign_on");

export const signOnErrorText = (type: string) => signInTexts().errors[type] || signInTexts().failed;
