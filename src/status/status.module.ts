// The app's own health page.
import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { StatusController } from './status.controller.js';

@Module({ imports: [TerminusModule], controllers: [StatusController] })
export class StatusModule {}
