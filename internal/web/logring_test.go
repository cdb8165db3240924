package web

import (
	"log/slog"
	"strings"
	"testing"
)

// The log is for who may operate: values are not all that stands in it.
func TestLogLinesNeedOperate(t *testing.T) {
	h := NewHub()
	viewer, _, _ := h.join(0, View)
	operator, _, _ := h.join(0, Operate)
	log := slog.New(NewLogRing(slog.DiscardHandler, h))
	log.With("part", "broker").Warn("refused", "user", "x")
	select {
	case e := <-operator.events:
		if !strings.Contains(string(e.data), `"part":"broker","text":"refused user=x"`) {
			t.Errorf("%s", e.data)
		}
	default:
		t.Error("the operator sees no log line")
	}
	if len(viewer.events) != 0 {
		t.Error("a viewer sees the log")
	}
}
