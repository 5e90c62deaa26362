package peers

// The expressed gates in CEL: each is true when the gate refuses.
var celRules = []string{
	`zone && (zone_any || zone_over || (!read && (zone_unit == "" || zone_unit != unit || !zone_in)))`, // gate 4
	`mail && ((!mail_auth && (mail_from_unit != "" || !mail_here)) || (mail_auth && (mail_session == "" || mail_from == "" ||
		mail_from_unit != mail_session)))`, // gate 5
	`consent && (consent_removes || consent_subject == "" || consent_purpose == "" ||
		(consent_required && !consent_recorded) || (!consent_required && !consent_by_subject))`, // gate 10
	`audit_touches || (!(read && !audit_privileged) && (!audit_planned || !audit_writable))`, // gate 11
	`snap && (snap_mutates || snap_of == "" || snap_of != unit || (snap_exists && snap_digest == "") || ((snap_exists ||
		snap_digest != "") && snap_digest != snap_stored))`, // gate 12
	`exit_refusing || (exit_status == "exiting" && exit_hinders && !(exit_by_owner && exit_is)) ||
		(exit_status == "exited" && exit_hinders && !exit_is) ||
		(exit_is && exit_status != "exiting" && exit_status != "exited" && !exit_by_owner)`, // gate 13
	`route && (!route_entry || (route_exists && route_changes && !(route_approved || owns)))`,                        // gate 14
	`platform_denies || ((platform_acts || (!read && role in [1, 4, 5])) && (!platform_signed || !platform_logged))`, // gate 17
}

// The expressed gates in Cedar.
const cedarRules = `
permit (principal, action, resource);
// gate 4
forbid (principal, action, resource) when {
	context.zone && (context.zone_any || context.zone_over || (!context.read && (context.zone_unit == "" ||
	context.zone_unit != context.unit || !context.zone_in)))
};
// gate 5
forbid (principal, action, resource) when {
	context.mail && ((!context.mail_auth && (context.mail_from_unit != "" || !context.mail_here)) ||
	(context.mail_auth && (context.mail_session == "" || context.mail_from == "" ||
	context.mail_from_unit != context.mail_session)))
};
// gate 10
forbid (principal, action, resource) when {
	context.consent && (context.consent_removes || context.consent_subject == "" || context.consent_purpose == "" ||
	(context.consent_required && !context.consent_recorded) || (!context.consent_required && !context.consent_by_subject))
};
// gate 11
forbid (principal, action, resource) when {
	context.audit_touches || (!(context.read && !context.audit_privileged) && (!context.audit_planned ||
	!context.audit_writable))
};
// gate 12
forbid (principal, action, resource) when {
	context.snap && (context.snap_mutates || context.snap_of == "" || context.snap_of != context.unit ||
	(context.snap_exists && context.snap_digest == "") || ((context.snap_exists ||
	context.snap_digest != "") && context.snap_digest != context.snap_stored))
};
// gate 13
forbid (principal, action, resource) when {
	context.exit_refusing ||
	(context.exit_status == "exiting" && context.exit_hinders && !(context.exit_by_owner && context.exit_is)) ||
	(context.exit_status == "exited" && context.exit_hinders && !context.exit_is) ||
	(context.exit_is && context.exit_status != "exiting" && context.exit_status != "exited" && !context.exit_by_owner)
};
// gate 14
forbid (principal, action, resource) when {
	context.route && (!context.route_entry || (context.route_exists && context.route_changes && !(context.route_approved ||
	context.owns)))
};
// gate 17
forbid (principal, action, resource) when {
	context.platform_denies || ((context.platform_acts ||
	(!context.read && [1, 4, 5].contains(context.role))) && (!context.platform_signed || !context.platform_logged))
};
`

// The expressed gates in Rego: alternatives are rules of their own.
const regoRules = `package nexus.gates

default allow := true

allow := false if refuse

zone_bad if input.zone_any
zone_bad if input.zone_over
zone_bad if { not input.read; input.zone_unit == "" }
zone_bad if { not input.read; input.zone_unit != input.unit }
zone_bad if { not input.read; not input.zone_in }

# gate 4
refuse if { input.zone; zone_bad }

mail_bad if { not input.mail_auth; input.mail_from_unit != "" }
mail_bad if { not input.mail_auth; not input.mail_here }
mail_bad if { input.mail_auth; input.mail_session == "" }
mail_bad if { input.mail_auth; input.mail_from == "" }
mail_bad if { input.mail_auth; input.mail_from_unit != input.mail_session }

# gate 5
refuse if { input.mail; mail_bad }

consent_bad if input.consent_removes
consent_bad if input.consent_subject == ""
consent_bad if input.consent_purpose == ""
consent_bad if { input.consent_required; not input.consent_recorded }
consent_bad if { not input.consent_required; not input.consent_by_subject }

# gate 10
refuse if { input.consent; consent_bad }

idle_read if { input.read; not input.audit_privileged }

# gate 11
refuse if input.audit_touches
refuse if { not idle_read; not input.audit_planned }
refuse if { not idle_read; not input.audit_writable }

snap_bad if input.snap_mutates
snap_bad if input.snap_of == ""
snap_bad if input.snap_of != input.unit
snap_bad if { input.snap_exists; input.snap_digest == "" }
snap_bad if { input.snap_exists; input.snap_digest != input.snap_stored }
snap_bad if { not input.snap_exists; input.snap_digest != ""; input.snap_digest != input.snap_stored }

# gate 12
refuse if { input.snap; snap_bad }

owners_step if { input.exit_by_owner; input.exit_is }

# gate 13
refuse if input.exit_refusing
refuse if { input.exit_status == "exiting"; input.exit_hinders; not owners_step }
refuse if { input.exit_status == "exited"; input.exit_hinders; not input.exit_is }
refuse if { input.exit_is; input.exit_status != "exiting"; input.exit_status != "exited"; not input.exit_by_owner }

route_approved if input.route_approved
route_approved if input.owns

# gate 14
refuse if { input.route; not input.route_entry }
refuse if { input.route; input.route_exists; input.route_changes; not route_approved }

platform_act if input.platform_acts
platform_act if { not input.read; input.role in {1, 4, 5} }

# gate 17
refuse if input.platform_denies
refuse if { platform_act; not input.platform_signed }
refuse if { platform_act; not input.platform_logged }
`
