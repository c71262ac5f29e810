package imap

import "context"

// Check logs in, selects each folder, and looks for those that mails move to.
func (m *Mailbox) Check(ctx context.Context, report func(what string, err error)) {
	c := &m.config
	s, err := login(ctx, c)
	report("log in", err)
	if err != nil {
		return
	}
	defer s.close()
	for _, folder := range c.Folders {
		report("select folder "+folder, s.enter(ctx, folder))
	}
	for _, folder := range c.Targets() {
		_, exists, err := s.find(ctx, folder)
		what := "find folder " + folder
		if err == nil && !exists {
			what = "folder " + folder + " does not exist, it will be created"
		}
		report(what, err)
	}
}
