package ingest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// After says what happens to an input when its outcome is durable.
type After string

// The choices. The empty value means AfterKeep. Not every source has all of them.
const (
	AfterKeep   After = "keep"   // the input stays as it is
	AfterFlag   After = "flag"   // the mail is marked as read and processed
	AfterMove   After = "move"   // the file moves to done/ beside it, the mail to a folder
	AfterDelete After = "delete" // the input is removed
	AfterTag    After = "tag"    // the object gets a tag
)

// Check reports whether a choice is one that a source has.
func (a After) Check(choices ...After) error {
	if a == "" || slices.Contains(choices, a) {
		return nil
	}
	names := make([]string, len(choices))
	for i, c := range choices {
		names[i] = string(c)
	}
	return fmt.Errorf("must be one of %s", strings.Join(names, ", "))
}

// Action is what happens to a mail when its outcome is durable. The zero value keeps it.
type Action struct {
	Kind After `yaml:"action"`
	// Folder is where mails move to. It is created when it does not exist.
	Folder string `yaml:"folder"`
}

// Actions are the actions for the classes of mails.
type Actions struct {
	Counted Action `yaml:"counted"`
	Known   Action `yaml:"known"`
	Refused Action `yaml:"refused"`
}

// Of returns the action for a class.
func (a *Actions) Of(c Class) Action {
	switch c {
	case ClassCounted:
		return a.Counted
	case ClassKnown:
		return a.Known
	}
	return a.Refused
}

// Targets returns the folders that mails move to, each once.
func (a *Actions) Targets() (folders []string) {
	for _, action := range []Action{a.Counted, a.Known, a.Refused} {
		if action.Kind == AfterMove && !slices.Contains(folders, action.Folder) {
			folders = append(folders, action.Folder)
		}
	}
	return folders
}

// ActionError is a mistake in the action for a class of mails.
type ActionError struct {
	Class Class
	// Field is what is wrong: action or folder.
	Field string
	Err   error
}

// Error returns the mistake and where it is.
func (e *ActionError) Error() string { return string(e.Class) + "." + e.Field + ": " + e.Err.Error() }

// Unwrap returns the mistake.
func (e *ActionError) Unwrap() error { return e.Err }

// Check finds mistakes. Mails must not move to a folder that is read: they
// would be found there as new ones, and move again for ever.
func (a *Actions) Check(choices []After, read func(folder string) bool) error {
	for _, class := range []Class{ClassCounted, ClassKnown, ClassRefused} {
		action := a.Of(class)
		fail := func(field string, err error) error { return &ActionError{class, field, err} }
		if err := action.Kind.Check(choices...); err != nil {
			return fail("action", err)
		}
		switch {
		case action.Kind == AfterMove && action.Folder == "":
			return fail("folder", errors.New("the action move needs a folder"))
		case action.Kind != AfterMove && action.Folder != "":
			return fail("folder", errors.New("only the action move has a folder"))
		case action.Kind == AfterMove && read(action.Folder):
			return fail("folder", fmt.Errorf("%s is read itself, mails would move there again and again; name a folder that is not read", action.Folder))
		}
	}
	return nil
}
