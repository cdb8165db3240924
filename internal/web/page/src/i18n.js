// Texts of the page. Each language is one file in texts/, a key for each text; a number in
// a text chooses its form by the language's rules for plurals. Numbers and times follow
// the browser's locale, whatever the language of the texts.

export const languages = { en: 'English', de: 'Deutsch', zh: '中文' }

function choose() {
  const stored = localStorage.getItem('language')
  const wanted = [stored, ...(navigator.languages || [navigator.language])]
  for (const w of wanted) {
    const short = (w || '').toLowerCase().split('-')[0]
    if (languages[short]) return short
  }
  return 'en'
}

export const language = choose()
export const locale = navigator.language || 'en'

let texts = {}, plurals

export async function load() {
  const ask = name => fetch(new URL(`texts/${name}.json`, import.meta.url)).then(r => r.json())
  texts = await ask(language)
  document.documentElement.lang = language
}

// t returns the text of a key with {name} replaced by values.name; values.n chooses the form.
export function t(key, values) {
  let s = texts[key]
  if (s === undefined) return key
  if (typeof s === 'object') s = s[(plurals ||= new Intl.PluralRules(language)).select(values?.n ?? 0)] ?? s.other
  return values ? s.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all) : s
}

export function speak(name) {
  localStorage.setItem('language', name)
  document.cookie = `language=${name}; max-age=31536000; SameSite=Strict` // for the first picture
  location.reload()
}
