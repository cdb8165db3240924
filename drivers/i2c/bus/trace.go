package bus

import (
	"fmt"
	"strings"
)

// FormatTransfer writes a transfer on one line: "1:0x76  W d0  R 60".
func FormatTransfer(a Addr, w, r []byte, err error) string {
	var b strings.Builder
	b.WriteString(a.String())
	if len(w) > 0 {
		fmt.Fprintf(&b, "  W % x", w)
	}
	switch {
	case err != nil:
		fmt.Fprintf(&b, "  %v", err)
	case len(r) > 0:
		fmt.Fprintf(&b, "  R % x", r)
	}
	return b.String()
}
