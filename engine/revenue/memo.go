package revenue

import (
	"bytes"
	"encoding/json"
	"strings"
)

// memoOf writes the given members as one canonical JSON object: names sorted, no blanks, numbers as they were written. The
// same line in another order or spacing is the same event to the ledger, which compares bytes.
func memoOf(names []string, fields map[string]json.RawMessage) ([]byte, error) {
	if len(names) == 0 {
		return nil, nil
	}
	memo := make(map[string]any, len(names))
	for _, name := range names {
		d := json.NewDecoder(bytes.NewReader(fields[name]))
		d.UseNumber()
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, fieldError("field "+name, "one JSON object a line", "not JSON: %w", err)
		}
		memo[name] = value
	}
	return marshalCanonical(memo), nil
}

// marshalCanonical writes v with sorted names and without HTML escapes. v holds only what the JSON reader made.
func marshalCanonical(v any) []byte {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // maps, strings, numbers and lists from the reader always encode
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}
