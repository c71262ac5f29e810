package exporter

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/internal/typo"
)

// usage is the template of --help. The flags of the command come first; those
// that all commands have follow under a heading of their own.
const usage = `{{define "line"}}{{if .FlagSummary}} {{.FlagSummary}}{{end}}{{range .Args}} {{if not .Required}}[{{end}}<{{.Name}}>{{if .Value|IsCumulative}}...{{end}}{{if not .Required}}]{{end}}{{end}}{{end -}}
{{define "flags"}}{{.|FlagsToTwoColumns|FormatTwoColumns}}{{end -}}
{{with .Context.SelectedCommand -}}
usage: {{$.App.Name}} {{.}}{{template "line" .}}

{{.Help|Wrap 0}}
{{if .Args}}Arguments:
{{.Args|ArgsToTwoColumns|FormatTwoColumns}}
{{end}}{{if .Flags}}Flags:
{{template "flags" .Flags}}
{{end}}Flags of all commands:
{{else -}}
usage: {{.App.Name}}{{template "line" .App}}{{if .App.Commands}} <command> [<args> ...]{{end}}

{{.App.Help|Wrap 0}}
{{if .App.Commands}}Commands:
{{range .App.FlattenedCommands}}{{if not .Hidden}}  {{.FullCommand}}{{template "line" .}}
{{.Help|Wrap 4}}{{if .Default}}    This is what runs when no command is given.
{{end}}{{end}}{{end}}
Flags of all commands:
{{else}}Flags:
{{end}}{{end}}{{template "flags" .App.Flags -}}
`

// notInVariables matches what a variable of the environment has _ for.
var notInVariables = regexp.MustCompile(`[^A-Z0-9_]+`)

// NameVariables names the variables of the environment for the flags of
// commands, so that no two flags share one: DMARC_EXPORTER_CHECK_JSON for --json
// of check. The flags of the default command have no word between, as they had
// before there were others. Parse does it, too.
func NameVariables(app *kingpin.Application) {
	for _, c := range app.Model().Commands {
		nameVariables(app.Name, app.GetCommand(c.Name))
	}
}

// nameVariables names those of a command, and of the commands below it.
func nameVariables(prefix string, command *kingpin.CmdClause) {
	c := command.Model()
	prefix += "_" + c.Name
	for _, f := range c.Flags {
		if f.Envar == "" && !c.Default {
			command.GetFlag(f.Name).Envar(notInVariables.ReplaceAllString(strings.ToUpper(prefix+"_"+f.Name), "_"))
		}
	}
	for _, below := range c.Commands {
		nameVariables(prefix, command.GetCommand(below.Name))
	}
}

// The errors of kingpin that a typo causes.
var (
	unknownFlag    = regexp.MustCompile(`^unknown long flag '--(.*)'$`)
	halfCommand    = regexp.MustCompile(`^must select a subcommand of '(.*)'$`)
	unknownCommand = regexp.MustCompile(`^(?:expected command but got "(.*)"|unexpected (.*)|unexpected argument '(.*)')$`)
)

// explain completes an error of kingpin: with the flag whose value is wrong, or
// with what a mistyped word was meant to be.
func explain(app *kingpin.Application, args []string, err error) error {
	if found := unknownFlag.FindStringSubmatch(err.Error()); found != nil {
		return explainFlag(app.Model(), found[1])
	}
	if found := halfCommand.FindStringSubmatch(err.Error()); found != nil {
		_, known := below(app.Model(), args)
		return fmt.Errorf("%s needs a word more: %s", found[1], strings.Join(known, ", "))
	}
	if found := unknownCommand.FindStringSubmatch(err.Error()); found != nil {
		return explainCommand(app.Model(), args, strings.Join(found[1:], ""))
	}
	if flag := wrongFlag(app, args, err); flag != "" {
		return fmt.Errorf("%s: %w", flag, withExample(err))
	}
	return err
}

// explainFlag says what an unknown flag may have been meant to be.
func explainFlag(app *kingpin.ApplicationModel, name string) error {
	var known []string
	for _, f := range app.Flags {
		known = append(known, f.Name)
	}
	for _, c := range app.FlattenedCommands() {
		for _, f := range c.Flags {
			if f.Name == name {
				return fmt.Errorf("--%s is a flag of %s", name, c.FullCommand)
			}
			known = append(known, f.Name)
		}
	}
	if nearest := typo.Nearest(name, known); nearest != "" {
		return fmt.Errorf("unknown flag --%s, did you mean --%s?", name, nearest)
	}
	return fmt.Errorf("unknown flag --%s", name)
}

// below returns the commands below the one that args begin with, and that one with
// a space behind it; at the top it is empty.
func below(app *kingpin.ApplicationModel, args []string) (above string, known []string) {
	commands := app.Commands
	for _, arg := range args {
		for _, c := range commands {
			if c.Name == arg && len(c.Commands) > 0 {
				commands, above = c.Commands, above+c.Name+" "
				break
			}
		}
	}
	for _, c := range commands {
		if !c.Hidden && c.Name != "help" {
			known = append(known, above+c.Name)
		}
	}
	return above, known
}

// explainCommand says what an unknown command may have been meant to be.
func explainCommand(app *kingpin.ApplicationModel, args []string, name string) error {
	above, known := below(app, args)
	name = above + name
	switch nearest := typo.Nearest(name, known); {
	case len(known) == 0:
		return fmt.Errorf("unexpected argument %s", name)
	case nearest != "":
		return fmt.Errorf("unknown command %s, did you mean %s?", name, nearest)
	}
	return fmt.Errorf("unknown command or unexpected argument %s; the commands are %s", name, strings.Join(known, ", "))
}

// wrongFlag returns the flag, or the variable of the environment, whose value
// causes an error: kingpin does not name it.
func wrongFlag(app *kingpin.Application, args []string, err error) string {
	context, parseErr := app.ParseContext(args)
	if parseErr != nil {
		return ""
	}
	same := func(v kingpin.Value, text string) bool {
		again := v.Set(text)
		return again != nil && again.Error() == err.Error()
	}
	flags := app.Model().Flags
	given := map[string]bool{}
	for _, e := range context.Elements {
		switch clause := e.Clause.(type) {
		case *kingpin.CmdClause:
			flags = append(flags, clause.Model().Flags...)
		case *kingpin.FlagClause:
			f := clause.Model()
			given[f.Name] = true
			if e.Value != nil && same(f.Value, *e.Value) {
				return "--" + f.Name
			}
		}
	}
	for _, f := range flags {
		if text := os.Getenv(f.Envar); text != "" && f.Envar != "" && !given[f.Name] && same(f.Value, text) {
			return "variable " + f.Envar + " for --" + f.Name
		}
	}
	return ""
}

// withExample adds an example to the errors of durations.
func withExample(err error) error {
	if strings.Contains(err.Error(), "duration") {
		return errors.New(strings.TrimPrefix(err.Error(), "time: ") + "; a duration has a unit, such as 30s, 5m or 12h")
	}
	return err
}
