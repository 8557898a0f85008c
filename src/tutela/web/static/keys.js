// One key, one act. Keys work only while the grid has the focus (WCAG 2.1.4), can be changed or
// switched off by each person, and a held key counts once.

export function keymap(actions, { off = false } = {}) {
  const byKey = new Map(actions.filter((action) => action.key).map((a) => [a.key, a]));
  return function pressed(event) {
    if (off || event.ctrlKey || event.metaKey || event.altKey) return null;
    const action = byKey.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (!action) return null;
    event.preventDefault();
    return event.repeat ? null : action;
  };
}
