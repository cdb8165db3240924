package config

import (
	"fmt"

	"sensorgate/internal/toml"
)

// fileVersion is the newest meaning of a file that this program knows; `version = 1`
// in the file, or nothing. It rises when a file that was right would come to mean
// something else: docs/migration.md.
const fileVersion = 1

// understands reports whether the file is not newer than the program. If it is, the
// rest is not looked at: a hundred unknown keys would hide the one reason.
func (l *loader) understands(version *int) bool {
	at := l.root.Field("version")
	switch {
	case version == nil || *version == fileVersion:
		return true
	case *version > fileVersion:
		l.AtValue(at, fmt.Sprintf("the file is for a newer sensorgate: this one reads version %d", fileVersion), toml.Try("upgrade sensorgate"))
		return false
	default:
		l.Wrong(at, fmt.Sprintf("%d", fileVersion), fmt.Sprintf("version = %d", fileVersion))
		return true
	}
}
