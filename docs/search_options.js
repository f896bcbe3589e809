/* The search reads a dash before a word as "without it"; here it begins the name of an option. */
document.addEventListener(
  "input",
  ({ target }) => {
    if (target.matches(".md-search__input")) {
      const words = target.value.replace(/(^|\s)-+(?=\w)/g, "$1");
      if (words !== target.value) target.value = words;
    }
  },
  true,
);
