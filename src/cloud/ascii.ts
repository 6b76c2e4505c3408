/** ASCII: the characters that every database knows, whatever its encoding. */

/** Whether every database knows the characters of the text, whatever its encoding. */
export function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text);
}

/** The text with a question mark in place of every character beyond ASCII. */
export function inAscii(text: string): string {
  return text.replaceAll(/[^\0-\x7f]/g, '?');
}
