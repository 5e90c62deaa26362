// Package theme says how things look: styles from one renderer per session, symbols, and text made safe and fitted to
// a number of terminal cells.
//
// Promises: no style is shared between sessions; state is always word and symbol, colour only adds to it; text that
// came from a tenant is shown with its control bytes escaped; nothing here writes to a terminal or asks it anything.
// It imports lipgloss, termenv and width tables, and the root package for its errors.
package theme
