locals {
  scheduled = var.mode == "schedule"
  public_ip = var.launch_type == "FARGATE" && var.assign_public_ip
  command = concat(
    [
      "--cluster", var.cluster_name,
      "--region", local.region,
      "--check-document", aws_ssm_document.command["check"].name,
      "--apply-document", aws_ssm_document.command["apply"].name,
      "--reboot-document", aws_ssm_document.command["reboot"].name,
      "--budget", var.budget,
      "--max-failures", var.max_failures,
      "--tasks", var.tasks,
    ],
    local.scheduled ? [] : ["--every", var.pause],
  )
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.name}/${var.cluster_name}"
  retention_in_days = var.log_days
  tags              = var.tags
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = [var.launch_type]
  network_mode             = "awsvpc"
  cpu                      = "256"
  memory                   = "512"
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  tags                     = var.tags
  container_definitions = jsonencode([{
    name                   = "updater"
    image                  = var.updater_image
    essential              = true
    readonlyRootFilesystem = true
    # Time to give instances back when it is told to stop; more than this Fargate does not allow.
    stopTimeout = 120
    command     = local.command
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = local.region
        "awslogs-stream-prefix" = "updater"
      }
    }
  }])
}

resource "aws_cloudwatch_event_rule" "this" {
  count               = local.scheduled ? 1 : 0
  name                = var.name
  description         = "Runs updog-ecs"
  schedule_expression = var.schedule
  state               = var.enabled ? "ENABLED" : "DISABLED"
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "this" {
  count    = local.scheduled ? 1 : 0
  rule     = aws_cloudwatch_event_rule.this[0].name
  arn      = local.cluster
  role_arn = aws_iam_role.schedule[0].arn
  input = jsonencode({
    containerOverrides = [{
      name        = "updater"
      environment = [{ name = "TASK_DEFINITION_ARN", value = aws_ecs_task_definition.this.arn }]
    }]
  })
  # A task that could not start is not tried again for a day: the next scheduled one does it.
  retry_policy {
    maximum_retry_attempts       = 3
    maximum_event_age_in_seconds = 3600
  }
  ecs_target {
    task_definition_arn = aws_ecs_task_definition.this.arn
    task_count          = 1
    launch_type         = var.launch_type
    network_configuration {
      subnets          = var.subnets
      security_groups  = var.security_groups
      assign_public_ip = local.public_ip
    }
  }
}

resource "aws_ecs_service" "this" {
  count           = local.scheduled ? 0 : 1
  name            = var.name
  cluster         = local.cluster
  task_definition = aws_ecs_task_definition.this.arn
  launch_type     = var.launch_type
  desired_count   = var.enabled ? 1 : 0
  # One at a time: the old one goes before the new one comes.
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  propagate_tags                     = "SERVICE"
  tags                               = var.tags
  network_configuration {
    subnets          = var.subnets
    security_groups  = var.security_groups
    assign_public_ip = local.public_ip
  }
}
