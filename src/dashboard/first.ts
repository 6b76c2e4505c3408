/** Runs before the first paint: the page never flashes in colours or a language that its reader did not choose. */
const root = document.documentElement;
try {
  const theme = localStorage.getItem('syncd.theme');
  if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
  const language = localStorage.getItem('syncd.language') ?? navigator.language;
  root.lang = language.startsWith('id') ? 'id' : 'en';
} catch {
  // A browser that keeps nothing gets what it asks for by itself.
}
