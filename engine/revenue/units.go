package revenue

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// loadUnits reads the registry once. Words it does not answer (slugs) are asked one by one.
func (im *importer) loadUnits(ctx context.Context) error {
	rows, err := im.c.Node.Units(ctx)
	if err != nil {
		return err
	}
	im.byName, im.byWord = map[string][]wire.UnitRow{}, map[string]wire.UnitRow{}
	for _, row := range rows {
		im.byName[row.Name] = append(im.byName[row.Name], row)
		im.byWord[row.ID], im.byWord[row.Label] = row, row
	}
	return nil
}

// resolve says what a unit word means and remembers it.
func (im *importer) resolve(ctx context.Context, word string) (target, error) {
	if t, ok := im.units[word]; ok {
		return t, nil
	}
	t, err := im.find(ctx, word)
	if err != nil {
		return target{}, err
	}
	if t.create {
		im.missing = append(im.missing, word)
	}
	im.units[word] = t
	return t, nil
}

func (im *importer) find(ctx context.Context, word string) (target, error) {
	if im.c.Options.UnitBy == "" {
		if row, ok := im.byWord[word]; ok {
			return known(row)
		}
		if nexus.Slug(word) == word || strings.ToUpper(word) == word {
			row, err := im.c.Node.Unit(ctx, word)
			if err == nil {
				return known(row)
			}
			if nexus.CodeOf(err) != nexus.CodeNotFound {
				return target{}, err
			}
		}
	} else if rows := im.byName[word]; len(rows) > 0 {
		return im.named(word, rows)
	}
	return im.plan(word), nil
}

func known(row wire.UnitRow) (target, error) {
	id, err := nexus.ParseID(row.ID)
	return target{id: id}, err
}

// named chooses among units of one display name: the kind that --create-missing-as names first, else the only one.
func (im *importer) named(word string, rows []wire.UnitRow) (target, error) {
	for _, row := range rows {
		if row.Kind == im.c.CreateAs.String() {
			return known(row)
		}
	}
	if len(rows) == 1 {
		return known(rows[0])
	}
	labels := make([]string, len(rows))
	for i, row := range rows {
		labels[i] = row.Label
	}
	return target{problem: fieldError(fmt.Sprintf("unit %q", word), "name them by label in the field unit",
		"is the name of %s", strings.Join(labels, " and "))}, nil
}

// labelPattern is how labels look: a unit of that display name could not be told from its label.
var labelPattern = regexp.MustCompile(`^(?i:IMVU|PLAT|CHAN|PROBE)-[0-9]+$`)

// plan makes a word that no unit has into one to create, if that is wanted and possible.
func (im *importer) plan(word string) target {
	unknown := func(hint, why string) target {
		return target{problem: nexus.Errf("", nexus.CodeMalformed, fmt.Sprintf("unit %q", word), hint, "%s", why)}
	}
	if !im.c.CreateMissing {
		return unknown("create it, or add --create-missing", "no such unit")
	}
	if _, err := nexus.ParseID(word); err == nil || labelPattern.MatchString(word) {
		return unknown("use the id or label of a unit that exists, or a display name with --unit-by", "no such unit, and not a name to create one by")
	}
	if err := state.ValidUnitName(word); err != nil {
		return target{problem: err}
	}
	return target{create: true}
}

// creation is the body that makes the unit of a word: dormant, for the owner given or in the platform's custody.
func (im *importer) creation(word string) (string, state.UnitCreate, error) {
	kind := state.KindIMVUCreate
	if im.c.CreateAs == nexus.KindPlatform {
		kind = state.KindPlatformCreate
	}
	b := state.UnitCreate{Name: word, OwnerName: im.c.Owner, Dormant: true, OwnerMustExist: im.c.OwnerKey == nil}
	if b.OwnerName == "" {
		b.OwnerName, b.OwnerMustExist = state.PlatformName, true
		return kind, b, nil
	}
	if im.c.OwnerKey != nil {
		key, err := im.c.OwnerKey(b.OwnerName)
		if err != nil {
			return "", b, err
		}
		b.OwnerKey = key
	}
	return kind, b, nil
}

// create makes the missing units, one action after the other, so that labels follow the file. Each is one decision.
func (im *importer) create(ctx context.Context) error {
	for i, word := range im.missing {
		im.progress(StageCreate, i, len(im.missing))
		kind, body, err := im.creation(word)
		if err != nil {
			return err
		}
		receipt, err := im.do(ctx, kind, body)
		if nexus.CodeOf(err) == nexus.CodeConflict {
			// Somebody made it meanwhile, perhaps an import that runs beside this one.
			if id, ok := im.madeMeanwhile(ctx, word); ok {
				im.made[word] = id
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("create unit %q: %w", word, err)
		}
		var made state.UnitCreated
		if err := nexus.Decode(receipt.Result, &made); err != nil {
			return fmt.Errorf("create unit %q: answer of the node: %w", word, err)
		}
		im.made[word] = made.ID
		if !receipt.Repeated {
			im.res.UnitsMade++
		}
	}
	im.progress(StageCreate, len(im.missing), len(im.missing))
	return nil
}

func (im *importer) madeMeanwhile(ctx context.Context, word string) (nexus.ID, bool) {
	if im.loadUnits(ctx) != nil {
		return nexus.ID{}, false
	}
	t, err := im.named(word, im.byName[word])
	return t.id, err == nil && !t.id.IsZero()
}
