// Package revenue reads files of revenue events and takes them to a node: parse, plan, check the whole file against the
// ledger, create what is missing, post in batches.
//
// Promises: nothing is posted before the whole file was checked (unless the caller continues past bad lines); a second
// import of the same file posts nothing; an interruption leaves a prefix that the same import completes. Memory is
// bounded by the events' digests, not by the file: lines are streamed, and one line is at most MaxLineBytes.
//
// It decides nothing about money: splits, deduplication and the gates are the node's. It must not import the engine, the
// ledger's writer, cobra or viper; the node is an interface that the caller provides.
package revenue
