/** A short name for the browser and system of a User-Agent header: "Firefox on Linux". */
import { accountTexts } from "./accountTexts";

// The order matters: most browsers also name others, for compatibility.
const BROWSERS: [RegExp, string][] = [
  [/Edg\w*\//, "Edge"],
  [/OPR\//, "Opera"],
  [/YaBrowser\//, "Yandex Browser"],
  [/Firefox\/|FxiOS\//, "Firefox"],
  [/Chrome\/|CriOS\//, "Chrome"],
  [/Safari\//, "Safari"],
];
const SYSTEMS: [RegExp, string][] = [
  [/iPhone/, "iPhone"],
  [/iPad/, "iPad"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/CrOS/, "ChromeOS"],
  [/Linux/, "Linux"],
];

const named = (list: [RegExp, string][], client: string) =>
  list.find(([pattern]) => pattern.test(client))?.[1];

export function deviceName(client: string): string {
  const browser = named(BROWSERS, client);
  const system = named(SYSTEMS, client);
  if (browser && system) return accountTexts().access.device(browser, system);
  return browser ?? system ?? (client || accountTexts().access.unknownDevice);
}
