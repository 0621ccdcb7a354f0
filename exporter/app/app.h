/* The application: the command table, and the wiring of the daemon. The only folder that prints and that decides an
 * exit status. */
#ifndef OXP_APP_APP_H
#define OXP_APP_APP_H

/* What main() does: finds the subcommand and runs it. Gives the exit status: 0, or 1 when something was wrong. */
int oxp_app_main(int argc, char **argv);

/* The subcommands. `argv` holds what is left behind the subcommand's name. */
int oxp_command_run(int argc, char **argv);
int oxp_command_check(int argc, char **argv);
int oxp_check_rules(int argc, char **argv); /* `check rules`; called by oxp_command_check */
int oxp_command_test(int argc, char **argv);
int oxp_test_rules(int argc, char **argv); /* `test rules`; called by oxp_command_test */
int oxp_command_query(int argc, char **argv);
int oxp_command_alerts(int argc, char **argv);
int oxp_command_outbox(int argc, char **argv);
int oxp_command_cloudwatch(int argc, char **argv);
int oxp_command_send(int argc, char **argv);
int oxp_command_healthcheck(int argc, char **argv);
int oxp_command_help(int argc, char **argv);
int oxp_command_version(int argc, char **argv);

#endif
