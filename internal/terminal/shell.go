package terminal

import (
	"net/url"
	"strings"
)

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
// type when a user may not do it. Passwords are left out: the line is for screens and logs.
func Sudo(program string, args []string) string {
	line := []string{"sudo", program}
	for i, a := range args {
		if i > 0 && (args[i-1] == "-P" || args[i-1] == "--pw") {
			a = hidden
		}
		line = append(line, withoutSecret(a))
	}
	return Quote(line...)
}

// hidden stands for what is not shown.
const hidden = "…"

func withoutSecret(arg string) string {
	switch {
	case strings.HasPrefix(arg, "--pw="):
		return "--pw=" + hidden
	case strings.HasPrefix(arg, "-P") && len(arg) > 2:
		return "-P" + hidden
	}
	flag, value := "", arg
	if name, rest, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(arg, "--") {
		flag, value = name+"=", rest
	}
	if u, err := url.Parse(value); err == nil && u.Scheme != "" && u.User != nil {
		return flag + u.Redacted()
	}
	return arg
}
