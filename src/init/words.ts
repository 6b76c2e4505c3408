export function looksSecret(name: string): boolean { return /password|secret|hash/.test(name); }
