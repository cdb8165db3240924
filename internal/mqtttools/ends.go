package mqtttools

// Ended is how a tool ends when its exit code says more than success or trouble.
type Ended struct {
	Text string // for people
	Code int    // for scripts
}

func (e Ended) Error() string { return e.Text }

// ExitCode is what the program ends with.
func (e Ended) ExitCode() int { return e.Code }

const (
	// codeTimedOut is that of the mosquitto tools (MOSQ_ERR_TIMEOUT).
	codeTimedOut = 27
	// codeNotDone is that of a command which was refused or not done in time: rr --result.
	codeNotDone = 3
)
