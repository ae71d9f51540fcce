output "task_definition_arn" {
  description = "Run it by hand with aws ecs run-task."
  value       = aws_ecs_task_definition.this.arn
}

output "documents" {
  description = "Names of the three SSM documents."
  value       = { for key, document in aws_ssm_document.command : key => document.name }
}

output "log_group" {
  description = "Where the log and the summaries are."
  value       = aws_cloudwatch_log_group.this.name
}
