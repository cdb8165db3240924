package scan

import (
	"fmt"
	"slices"
)

// WithModel puts the model or driver that somebody chose into the keys of a found thing:
// one with a slash, or one that is no driver, is a model.
func WithModel(text, choice string, drivers []string) string {
	key := "model "
	if slices.Contains(drivers, choice) {
		key = "driver"
	}
	return fmt.Sprintf("%s = %q\n%s", key, choice, text)
}
