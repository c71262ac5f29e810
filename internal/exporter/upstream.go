package exporter

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kingpin/v2"
)

// Answer says what becomes of a setting of the established exporter.
type Answer string

// The answers there are.
const (
	Works Answer = "works" // as a flag or a variable of this exporter
	Stops Answer = "stops" // the exporter does not start, and names what there is instead
	Warns Answer = "warns" // the exporter starts, and logs what there is instead
)

// Setting is a row of a table of what the established exporter can be given: a
// flag, a variable of the environment, or a flag and the variable for it.
type Setting struct {
	Flag, Variable string // either may be empty, the flag has no dashes
	Answer         Answer
	// Here is the flag of this exporter that a setting that works sets, if it has another
	// name.
	Here string
	// Example is a value; true and false are those of a switch.
	Example string
	// Unchanged is the value that asks for what happens here anyway; it is
	// accepted in silence.
	Unchanged string
	Note      string // what there is instead
}

// settingsHeader is the first line of a table.
const settingsHeader = "flag\tvariable\tanswer\there\texample\tunchanged\tnote"

// ParseSettings reads a table: lines of seven columns with tabs between them,
// in which - stands for nothing.
func ParseSettings(table string) ([]Setting, error) {
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	if lines[0] != settingsHeader {
		return nil, fmt.Errorf("line 1: the header is not %q", settingsHeader)
	}
	var settings []Setting
	for i, line := range lines[1:] {
		cells := strings.Split(line, "\t")
		for j := range cells {
			if cells[j] == "-" {
				cells[j] = ""
			}
		}
		if len(cells) != strings.Count(settingsHeader, "\t")+1 {
			return nil, fmt.Errorf("line %d: %d columns", i+2, len(cells))
		}
		s := Setting{cells[0], cells[1], Answer(cells[2]), cells[3], cells[4], cells[5], cells[6]}
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		settings = append(settings, s)
	}
	return settings, nil
}

// check finds rows that answer nothing.
func (s *Setting) check() error {
	switch {
	case s.Flag == "" && s.Variable == "":
		return errors.New("neither a flag nor a variable")
	case s.Answer != Works && s.Answer != Stops && s.Answer != Warns:
		return fmt.Errorf("unknown answer %q", s.Answer)
	case s.Answer != Works && s.Note == "":
		return errors.New("no note says what there is instead")
	case s.Answer != Works && s.Here != "":
		return errors.New("a flag of this exporter is named, but the setting does not work")
	case s.Example == "":
		return errors.New("no example")
	}
	return nil
}

// AddSettings makes app answer what the established exporter can be given, by a
// table that is part of the program. It declares hidden flags, so all others must
// have been declared. A variable that works is read where ours is not set.
func (f *Flags) AddSettings(app *kingpin.Application, table string) {
	settings, err := ParseSettings(table)
	if err != nil {
		panic(err)
	}
	for _, s := range settings {
		switch {
		case s.Answer != Works:
			f.addReplaced(app, s)
		case s.Here != "" && s.Flag != "":
			app.Flag(s.Flag, "See --"+s.Here+".").Hidden().NoEnvar().SetValue(app.GetFlag(s.Here).Model().Value)
			fallthrough
		case s.Variable != "":
			f.addVariable(app, s)
		}
	}
}

// addVariable lets the variable of a setting that works set its flag.
func (f *Flags) addVariable(app *kingpin.Application, s Setting) {
	name := s.Flag
	if s.Here != "" {
		name = s.Here
	}
	flag := app.GetFlag(name)
	if flag == nil {
		return // The exporter reads the variable itself.
	}
	ours := flag.Model().Envar
	if ours == "" {
		ours = notInVariables.ReplaceAllString(strings.ToUpper(app.Name+"_"+name), "_")
	}
	if os.Getenv(s.Variable) != "" && os.Getenv(ours) == "" {
		flag.Envar(s.Variable)
	}
}

// addReplaced declares the flag of a setting that does not work.
func (f *Flags) addReplaced(app *kingpin.Application, s Setting) {
	if s.Flag == "" {
		app.PreAction(func(*kingpin.ParseContext) error {
			if err := f.replaced(s, "variable "+s.Variable, os.Getenv(s.Variable)); err != nil {
				return fmt.Errorf("variable %s: %w", s.Variable, err)
			}
			return nil
		})
		return
	}
	flag := app.Flag(s.Flag, s.Note).Hidden()
	if s.Variable == "" {
		flag.NoEnvar()
	} else {
		flag.Envar(s.Variable)
	}
	flag.SetValue(&replacedValue{setting: s, flags: f})
}

// replaced answers a setting that does not work: with an error, or a warning to
// be logged.
func (f *Flags) replaced(s Setting, what, value string) error {
	switch {
	case value == "" || value == s.Unchanged:
		return nil
	case s.Answer == Stops:
		return errors.New(s.Note)
	}
	if given := (ignored{setting: what, note: s.Note}); !slices.Contains(f.ignored, given) {
		f.ignored = append(f.ignored, given)
	}
	return nil
}

// ignored is a setting that was given and does nothing.
type ignored struct{ setting, note string }

// WarnIgnored logs the settings of the established exporter that were given and
// do nothing. Serve does it.
func (f *Flags) WarnIgnored(log *slog.Logger) {
	for _, i := range f.ignored {
		log.Warn("a setting does nothing here", "setting", i.setting, "note", i.note)
	}
}

// replacedValue is the value of a flag that does not work.
type replacedValue struct {
	setting Setting
	flags   *Flags
}

// Set implements kingpin.Value.
func (v *replacedValue) Set(value string) error {
	what := "--" + v.setting.Flag
	if variable := v.setting.Variable; variable != "" && value != "" && os.Getenv(variable) == value {
		what = "variable " + variable
	}
	if b, err := strconv.ParseBool(value); err == nil && v.IsBoolFlag() {
		value = strconv.FormatBool(b)
	}
	return v.flags.replaced(v.setting, what, value)
}

// String implements kingpin.Value.
func (v *replacedValue) String() string { return "" }

// IsBoolFlag tells kingpin whether the flag stands without a value.
func (v *replacedValue) IsBoolFlag() bool {
	return v.setting.Example == "true" || v.setting.Example == "false"
}

// IsCumulative lets kingpin accept the flag more than once, as some are given.
func (v *replacedValue) IsCumulative() bool { return true }

// UpstreamArgs makes arguments as the flag package has them, which established
// exporters used or use, what kingpin understands: -flag becomes --flag, and
// --switch=false becomes --no-switch.
func UpstreamArgs(app *kingpin.Application, args []string) []string {
	out := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		if len(arg) > 2 && arg[0] == '-' && arg[1] != '-' {
			arg = "-" + arg
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if f := app.GetFlag(name); hasValue && f != nil && f.Model().IsBoolFlag() {
			switch value {
			case "true", "1", "t", "TRUE", "True":
				arg = "--" + name
			case "false", "0", "f", "FALSE", "False":
				arg = "--no-" + name
			}
		}
		out = append(out, arg)
	}
	return out
}
