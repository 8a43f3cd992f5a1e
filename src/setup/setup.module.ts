// The database as the app needs it, before the first request: schema and prices.
import { Module } from '@nestjs/common';
import { PriceImportService } from './price-import.service.js';
import { SchemaService } from './schema.service.js';
import { SetupService } from './setup.service.js';

@Module({ providers: [SchemaService, PriceImportService, SetupService] })
export class SetupModule {}
