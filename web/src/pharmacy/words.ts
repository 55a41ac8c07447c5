/** How units are called in the reader's language. */

const ZH: Record<string, string> = {
  '{tablet}': '片', '{capsule}': '粒', '{sachet}': '袋', '{pill}': '丸', '{dose}': '剂', '{actuation}': '揿',
  '{patch}': '贴', '{vial}': '支', '{pack}': '盒', '[drp]': '滴', '[IU]': 'IU', ug: 'μg',
}
const EN: Record<string, string> = { '[drp]': 'drops', '[IU]': 'IU', ug: 'μg' }

/** `{tablet}` -> 片 or `tablet`; units of measure stay as they are. */
export function unitIn(code: string, language: string): string {
  const known = (language === 'en' ? EN : ZH)[code]
  return known ?? code.replace(/[{}]/g, '')
}
