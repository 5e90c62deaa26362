// Package archtest holds the house to its plan: which folders exist, who may import whom, where each outside library
// lives, and how the code reads (docs/ARCHITECTURE.md, docs/decisions/0007-house-rules.md).
//
// Every rule is a function over a parsed tree, so the same function that judges this repository is shown, on small
// planted trees under testdata/plants, to find what it forbids. The package has tests only, imports no other package of
// the house and reads source files, never build results: a file behind a build tag is judged like any other.
package archtest
