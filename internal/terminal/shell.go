package terminal

import "strings"

// Quote writes arguments as a command line that can be pasted into a POSIX shell.
func Quote(args ...string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		if a == "" || strings.ContainsAny(a, " \t\n\"'\\$`*?[]{}()<>|&;#~!") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		quoted[i] = a
	}
	return strings.Join(quoted, " ")
}

// Sudo is the command line of a program whose arguments are args, run as root: what to
// type when a user may not do it.
func Sudo(program string, args []string) string {
	return Quote(append([]string{"sudo", program}, args...)...)
}
