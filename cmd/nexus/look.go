package main

import (
	"path/filepath"
	"sort"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/tui"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/wizard"
)

// consoleOptions are a console's options by configuration, environment and the user's files: themes, keys, state folder.
func (a *app) consoleOptions(b *backend, launching bool) (tui.Options, error) {
	o := tui.Options{Backend: b, In: a.in, Out: a.screenOut(), Launching: launching, Now: a.now, Commands: &commands{app: a}, StateDir: a.stateFolder(),
		ReadOnly: a.conf.yes("read_only"), Mouse: a.conf.yes("mouse"), Tmux: a.getenv("TMUX") != "", Screen: a.getenv("STY") != "", Job: a.guest == nil && ofShell(),
		Version: buildInfo().Version, Hosted: a.guest != nil, FarTmux: a.guest != nil && strings.HasPrefix(a.getenv("TERM"), "tmux")}
	if dir := o.StateDir; dir != "" {
		o.Draft = func() string { return wizard.Waiting(draftFile(dir, "")) }
	}
	o.Width, o.Height, o.Resizes = a.sizes()
	if g := a.guest; g != nil {
		o.ReadOnly, o.Recorded = o.ReadOnly || !g.session.Agent, g.session.Recorded
		a.say("session %s as %s, host key %s", g.session.ID, g.session.Name, g.node.Hello().SSHHostKey)
	}
	if b.addr != "" {
		o.Commands = nil // the command line finds its node by the data directory
	}
	var err error
	if o.Keys, err = a.userKeys(); err != nil {
		return o, err
	}
	if o.Themes, err = a.userThemes(); err != nil {
		return o, err
	}
	if o.Theme, err = a.look(o.Themes); err != nil {
		return o, err
	}
	o.Guide = a.guide(b, o.Theme)
	return o, nil
}

// look chooses colours and glyphs: the setting, else what the environment says of the terminal.
func (a *app) look(own []*theme.Palette) (theme.Options, error) {
	t := theme.Detect(a.getenv)
	t.ASCII = t.ASCII || a.conf.yes("ascii")
	name := a.conf.text("theme")
	if name == "" {
		return t, nil
	}
	if named, ok := t.BuiltIn(name); ok {
		return named, nil
	}
	names := theme.Names()
	for _, p := range own {
		if p.Name == name {
			t.Palette, t.Name = p, name
			return t, nil
		}
		names = append(names, p.Name)
	}
	return t, usage("theme = "+name+" from "+a.conf.values["theme"].origin, "one of "+strings.Join(names, ", ")+
		", or write "+filepath.Join(a.configFolder(), "themes", name+".theme"), "no such theme")
}

// userKeys reads the user's key file. A mistake or a conflict ends the start with the file and the line.
func (a *app) userKeys() (map[string][]string, error) {
	path := a.conf.text("keys")
	asked := path != ""
	if !asked {
		path = filepath.Join(a.configFolder(), "keys.conf")
	}
	f, err := openUser(path)
	if err != nil || f == nil {
		if err == nil && asked {
			err = usage("keys = "+path, "write the file, or leave the setting out", "there is no such file")
		}
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return keymap.Parse(path, f)
}

// userThemes reads the user's theme files: themes/NAME.theme beside the configuration.
func (a *app) userThemes() ([]*theme.Palette, error) {
	files, err := filepath.Glob(filepath.Join(a.configFolder(), "themes", "*.theme"))
	if err != nil {
		return nil, err
	}
	sort.Strings(files)
	var out []*theme.Palette
	for _, path := range files {
		f, err := openUser(path)
		if err != nil || f == nil {
			return out, err
		}
		p, err := theme.ParsePalette(strings.TrimSuffix(filepath.Base(path), ".theme"), path, f)
		_ = f.Close()
		if err != nil {
			return out, err
		}
		out = append(out, p)
	}
	return out, nil
}
