package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	userfile "sensorgate/broker/passwd"
)

func newPasswd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "passwd",
		Short: "add, change, delete and list the users of a password file",
		Long: `Password files are those of mosquitto: one user:hash per line. New hashes are argon2id,
which mosquitto reads from 2.1 on; with -H sha512-pbkdf2 2.0 reads them too. Those that
mosquitto_passwd has written are read as they are. A running gateway takes the file up
with: sensorgate reload.`,
	}
	cmd.AddCommand(newPasswdAdd(), newPasswdDelete(), newPasswdList(), newPasswdToken())
	return cmd
}

func newPasswdAdd() *cobra.Command {
	var create bool
	var algorithm string
	cmd := &cobra.Command{
		Use:     "add FILE USER",
		Aliases: []string{"create"},
		Short:   "add a user or change a password; the file is made if it is not there",
		Long: `Asks for the password at a terminal, twice; else it is the first line of the standard
input. It is never an argument: those can be seen by everybody on the machine.`,
		Example: `  sudo sensorgate passwd add /etc/sensorgate/passwd anna
  pwgen 20 1 | sensorgate passwd add passwd meter`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, user := args[0], args[1]
			if err := userfile.CheckUser(user); err != nil {
				return usageError{err}
			}
			users, known, err := setPassword(cmd.InOrStdin(), cmd.ErrOrStderr(), path, user, algorithm, create)
			if err != nil {
				return err
			}
			word := "added"
			if known {
				word = "has a new password"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: user %s %s, %s in the file\n", path, user, word, count(users, "user"))
			return nil
		},
	}
	cmd.Flags().BoolVarP(&create, "create", "c", false, "begin a new file, also if there is one")
	cmd.Flags().StringVarP(&algorithm, "hash", "H", "argon2id", "`algorithm`: argon2id, or sha512-pbkdf2 for a file that mosquitto 2.0 reads too")
	return cmd
}

// setPassword asks for a user's password and enters it into a file, which is made if it is
// not there or with create. It returns how many users the file has, and whether this one was
// among them before.
func setPassword(in io.Reader, errOut io.Writer, path, user, algorithm string, create bool) (n int, known bool, err error) {
	if _, known := algorithms[algorithm]; !known { // before anything is asked
		return 0, false, usageError{fmt.Errorf("-H %s: have argon2id and sha512-pbkdf2", algorithm)}
	}
	users, err := userfile.Load(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	if err != nil && !isNew && !create {
		return 0, false, err
	}
	if create || isNew {
		users, isNew = userfile.File{}, true
	}
	secret, err := askPassword(in, errOut, user)
	if err != nil {
		return 0, false, err
	}
	_, known = users[user]
	if users[user], err = algorithms[algorithm](secret); err != nil {
		return 0, false, err
	}
	return len(users), known, saveUsers(users, path, isNew)
}

// algorithms make a password what stands in the file.
var algorithms = map[string]func(secret []byte) (string, error){
	"argon2id":      func(secret []byte) (string, error) { return userfile.Hash(secret), nil },
	"sha512-pbkdf2": userfile.HashPBKDF2,
}

func newPasswdDelete() *cobra.Command {
	return &cobra.Command{
		Use:   "delete FILE USER",
		Short: "delete a user",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, user := args[0], args[1]
			users, err := userfile.Load(path)
			if err != nil {
				return err
			}
			if _, known := users[user]; !known {
				return fmt.Errorf("%s: no user %q (see: sensorgate passwd list %s)", path, user, path)
			}
			if len(users) == 1 {
				return fmt.Errorf("%s: %q is the last user, and a file without any is taken for a damaged one (add another first)", path, user)
			}
			delete(users, user)
			if err := saveUsers(users, path, false); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: user %s deleted, %s in the file\n", path, user, count(len(users), "user"))
			return nil
		},
	}
}

func newPasswdList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list FILE",
		Short: "list the users, and how their passwords are kept",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			users, err := userfile.Load(args[0])
			if err != nil {
				return err
			}
			type row struct {
				User string `json:"user"`
				Hash string `json:"hash"`
			}
			rows := []row{}
			for user, hash := range users {
				kind := "argon2id"
				if strings.HasPrefix(hash, "$7$") {
					kind = "sha512-pbkdf2"
				}
				rows = append(rows, row{user, kind})
			}
			sort.Slice(rows, func(i, k int) bool { return rows[i].User < rows[k].User })
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), rows)
			}
			for _, r := range rows {
				fmt.Fprintf(cmd.OutOrStdout(), "%-20s %s\n", r.User, r.Hash)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON for programs")
	return cmd
}

// saveUsers writes the file. A new one made by root in a folder of the service's
// group must be readable for the service.
func saveUsers(users userfile.File, path string, isNew bool) error {
	if err := users.Save(path); err != nil {
		return err
	}
	if !isNew {
		return nil
	}
	return letServiceRead(path)
}

// letServiceRead gives a file that root made to the group of its directory, which is the
// service's.
func letServiceRead(path string) error {
	if os.Getuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Gid == 0 {
		return nil
	}
	if err := os.Chown(path, 0, int(owner.Gid)); err != nil {
		return err
	}
	return os.Chmod(path, 0o640)
}

// askPassword gets a password without showing it.
func askPassword(in io.Reader, w io.Writer, user string) ([]byte, error) {
	f, isFile := in.(*os.File)
	if !isFile || !isTerminal(f) {
		line, err := bufio.NewReader(in).ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("standard input: %w", err)
			}
			return nil, usageError{errors.New("no password on the standard input (try: printf '%s\\n' PASSWORD | sensorgate passwd add FILE USER)")}
		}
		return []byte(line), nil
	}
	read := func(prompt string) ([]byte, error) {
		fmt.Fprint(w, prompt)
		defer fmt.Fprintln(w)
		return term.ReadPassword(int(f.Fd()))
	}
	secret, err := read("Password for " + user + ": ")
	if err != nil {
		return nil, err
	}
	again, err := read("Once more: ")
	switch {
	case err != nil:
		return nil, err
	case len(secret) == 0:
		return nil, usageError{errors.New("the password is empty")}
	case string(secret) != string(again):
		return nil, usageError{errors.New("the two passwords differ; nothing was changed")}
	}
	return secret, nil
}
