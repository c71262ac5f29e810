// Package exportertest helps the mains test themselves.
package exportertest

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// FlagsDoc compares the reference of the flags, arguments and commands of app
// with the Markdown in file, such as "../../docs/flags/redis_exporter.md". With
// -update it writes the file. app must not have parsed anything yet.
func FlagsDoc(t testing.TB, app *kingpin.Application, file string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the reference tells the flags that Linux has")
	}
	doc, err := flagsDoc(app)
	if err != nil {
		t.Fatal(err)
	}
	metrictest.File(t, doc, file)
}

// flagsDoc returns the reference in Markdown.
func flagsDoc(app *kingpin.Application) ([]byte, error) {
	exporter.NameVariables(app)
	// Only this makes an application complete: variables, the help command.
	if _, err := app.ParseContext(nil); err != nil {
		return nil, err
	}
	m := app.Model()
	if err := sharedVariable(m); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n", m.Name)
	fmt.Fprintf(&b, "<!-- Generated from the flags of the program by `make generate`. Do not edit. -->\n\n")
	if m.Help != "" {
		fmt.Fprintf(&b, "%s\n\n", escape(m.Help))
	}
	writeGroup(&b, m.FlagGroupModel, m.ArgGroupModel)
	writeCommands(&b, m.CmdGroupModel)
	return append(bytes.TrimSpace(b.Bytes()), '\n'), nil
}

// sharedVariable returns an error when one variable of the environment sets two flags.
func sharedVariable(m *kingpin.ApplicationModel) error {
	flags := map[string]string{}
	check := func(command string, group *kingpin.FlagGroupModel) error {
		for _, f := range group.Flags {
			name := strings.TrimSpace(command + " --" + f.Name)
			// The same flag of several commands may have one variable.
			if other := flags[f.Envar]; other != "" && f.Envar != "" && !strings.HasSuffix(other, " --"+f.Name) {
				return fmt.Errorf("%s and %s share the variable %s", other, name, f.Envar)
			}
			flags[f.Envar] = name
		}
		return nil
	}
	err := check("", m.FlagGroupModel)
	for _, c := range m.FlattenedCommands() {
		err = errors.Join(err, check(c.FullCommand, c.FlagGroupModel))
	}
	return err
}

func writeCommands(b *bytes.Buffer, g *kingpin.CmdGroupModel) {
	for _, c := range g.Commands {
		if c.Hidden || c.Name == "help" {
			continue
		}
		fmt.Fprintf(b, "## %s\n\n%s", c.FullCommand, escape(c.Help))
		if c.Default {
			b.WriteString(" This is what runs when no command is given.")
		}
		b.WriteString("\n\n")
		writeGroup(b, c.FlagGroupModel, c.ArgGroupModel)
		writeCommands(b, c.CmdGroupModel)
	}
}

// writeGroup writes a table of arguments and one of flags, if there are any.
func writeGroup(b *bytes.Buffer, flags *kingpin.FlagGroupModel, args *kingpin.ArgGroupModel) {
	if len(args.Args) > 0 {
		b.WriteString("| argument | meaning |\n| --- | --- |\n")
		for _, a := range args.Args {
			name := a.Name
			if !a.Required {
				name += " (optional)"
			}
			fmt.Fprintf(b, "| %s | %s |\n", name, cell(a.Help))
		}
		b.WriteString("\n")
	}
	rows := 0
	for _, f := range flags.Flags {
		if f.Hidden {
			continue
		}
		if rows == 0 {
			b.WriteString("| flag | default | environment | meaning |\n| --- | --- | --- | --- |\n")
		}
		rows++
		fmt.Fprintf(b, "| `--%s` | %s | %s | %s |\n", flagName(f), code(strings.Join(f.Default, ", ")), code(variable(f)), cell(f.Help))
	}
	if rows > 0 {
		b.WriteString("\n")
	}
}

// variable returns the variable of the environment that sets a flag, if any.
func variable(f *kingpin.FlagModel) string {
	if f.Name == "help" || f.Name == "version" {
		return ""
	}
	return f.Envar
}

// flagName returns the flag as --help shows it.
func flagName(f *kingpin.FlagModel) string {
	switch {
	case f.IsBoolFlag() && len(f.Default) > 0 && f.Default[0] == "true":
		return "[no-]" + f.Name
	case f.IsBoolFlag():
		return f.Name
	default:
		return f.Name + "=" + placeholder(f)
	}
}

// placeholder names the value of a flag.
func placeholder(f *kingpin.FlagModel) string {
	if f.PlaceHolder != "" {
		return f.PlaceHolder
	}
	return strings.ToUpper(f.Name[strings.LastIndexAny(f.Name, ".-")+1:])
}

// code returns s as code, or nothing for nothing.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(s, "|", `\|`) + "`"
}

// cell returns s for a cell of a table.
func cell(s string) string {
	return strings.ReplaceAll(escape(strings.Join(strings.Fields(s), " ")), "|", `\|`)
}

// escape keeps Markdown from reading <x> as HTML and * as emphasis.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", "*", `\*`).Replace(s)
}
