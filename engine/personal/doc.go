// Package personal is the form in which what is a person's stands in the ledger: a text sealed under a key of that person
// (SPEC section 3; decision 28). What is signed, hashed, replicated and replayed is the sealed text; whoever destroys the key erases
// the words and changes no byte of the ledger.
//
// Promises: pure; what it reads is refused or understood whole, never in part; a sealed text is bound to its cluster, its person,
// its unit and its field, and opens nowhere else. It keeps no keys: engine/personal/keys does.
package personal
